# The command `btc-l2` on a plain Debian (or another Debian-like image with Python 3.11 to 3.13):
#   docker build -t btc-l2 . && docker run --rm btc-l2 demo fraud
ARG BASE_IMAGE=debian:12-slim
FROM ${BASE_IMAGE}

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates make python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 btcl2 \
 && install -d -o btcl2 -g btcl2 /srv/btc-l2

USER btcl2
WORKDIR /srv/btc-l2
COPY --chown=btcl2:btcl2 . .
RUN make setup && rm -rf "$HOME/.cache"

ENTRYPOINT ["/srv/btc-l2/.venv/bin/btc-l2"]
CMD ["demo", "fraud"]
