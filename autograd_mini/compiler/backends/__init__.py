"""The targets of a program: native code, by LLVM, and NumPy."""
