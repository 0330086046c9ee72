"""What other tools need for the circuit benchmark's analyses, each measured in an environment and process of its own.

Peers are measured, never depended on: nothing outside this package names them, and the scripts here import of ours only
`bench.pairs` and `bench.peers.measure`, so that they run where plural-audit is not installed.
"""
