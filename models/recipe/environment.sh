# Source this before training on a CPU: one thread, and a malloc that keeps big blocks (torch 1.13 gains much on small models).
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=67108864
