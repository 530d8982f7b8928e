"""The one-file model: its format, and how it is written, quantised and re-headed."""
