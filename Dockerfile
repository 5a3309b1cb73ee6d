# The command `btc-l2` (target `package`) and a bitcoind for regtest (target `node`), on any Debian-like base:
#   docker build --target package -t btc-l2 . && docker run --rm btc-l2 demo fraud
#   docker build --target node -t btc-l2-node .
# A base that has Python 3.11 to 3.13, venv and make needs no package mirror (`python -m regtest.node.image` makes one).
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS prepared
RUN (command -v make && python3 -c 'import ensurepip, venv') >/dev/null 2>&1 \
 || (apt-get update \
     && apt-get install -y --no-install-recommends ca-certificates make python3 python3-venv \
     && rm -rf /var/lib/apt/lists/*)
# Package indexes are trusted by the base's certificates, which an organisation may have added its own to.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
RUN useradd --create-home --uid 10001 btcl2 \
 && install -d -o btcl2 -g btcl2 /srv/btc-l2 /srv/board /srv/hand /var/lib/btc-l2 /run/btc-l2

# Dependencies come before the sources: a change of the sources does not fetch them again.
FROM prepared AS built
USER btcl2
WORKDIR /srv/btc-l2
COPY --chown=btcl2:btcl2 Makefile pyproject.toml requirements.lock ./
RUN make .cache/uv/bin/uv \
 && .cache/uv/bin/uv venv -q --python python3 .venv \
 && .cache/uv/bin/uv pip sync -q --python .venv/bin/python --require-hashes --no-cache requirements.lock
COPY --chown=btcl2:btcl2 . .
RUN make setup && rm -rf .cache/uv "$HOME/.cache"

# bitcoind as `make bitcoind` unpacks it: taken from the context's .cache/bitcoind, fetched here if there is none. (COPY
# wants at least one match, hence the Makefile.)
FROM prepared AS fetched
WORKDIR /srv/btc-l2
COPY Makefile .cache/bitcoin[d] .cache/bitcoind/
COPY taproot taproot
COPY regtest regtest
RUN test -x .cache/bitcoind/bin/bitcoind || python3 -m regtest.node.knots_install

FROM prepared AS node
COPY --from=fetched /srv/btc-l2/.cache/bitcoind /opt/bitcoind
USER btcl2
VOLUME /var/lib/btc-l2
EXPOSE 18443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/bitcoind/bin/bitcoind", "-datadir=/var/lib/btc-l2", "-regtest", "-server=1", "-printtoconsole=1"]

FROM prepared AS package
COPY --from=built --chown=btcl2:btcl2 /srv/btc-l2 /srv/btc-l2
USER btcl2
WORKDIR /srv/btc-l2
ENV PATH=/srv/btc-l2/.venv/bin:$PATH
# The compiled machine: numba takes it from a folder that it could write to only, also where everything else is read-only.
VOLUME ["/var/lib/btc-l2", "/srv/btc-l2/btc_l2/zkvm/__pycache__"]
ENTRYPOINT ["/srv/btc-l2/.venv/bin/btc-l2"]
CMD ["demo", "fraud"]
