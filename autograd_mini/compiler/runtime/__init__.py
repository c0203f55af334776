"""What a call of compiled code needs: memory, batches and threads."""
