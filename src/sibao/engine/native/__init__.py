"""The engine's own kernels in C++, compiled on first use; everything they do PyTorch can do too, only slower."""
