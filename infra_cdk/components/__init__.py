"""The parts of the stack, one idea a file."""
