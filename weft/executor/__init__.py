"""The side that owns the tensors: state pools, batches, sampling, and the executor behind its seam."""
