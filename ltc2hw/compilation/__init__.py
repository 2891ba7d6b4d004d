"""Machine code: where it is kept between processes, and what it says to LLVM."""
