"""What several benchmarks use: machines to measure on, and peers to measure."""
