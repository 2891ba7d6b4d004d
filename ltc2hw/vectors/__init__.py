"""Programs of real numbers as instructions on vectors: what each operation becomes, and where."""
