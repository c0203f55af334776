"""Networks as text, pictures and plots."""
