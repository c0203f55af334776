"""Targets of the compiler: each turns a program into something that runs."""
