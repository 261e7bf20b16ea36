"""What a deployment costs, beside its peers, in one run: see docs/performance.md."""
