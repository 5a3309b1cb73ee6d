"""Bitcoin as the project sees it: one protocol, an embedded chain, bitcoind by RPC, relay policy."""
