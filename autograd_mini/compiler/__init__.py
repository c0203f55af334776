"""The compiler: graphs of table operations to native code, by LLVM; imported lazily, needs the extra `jit`."""
