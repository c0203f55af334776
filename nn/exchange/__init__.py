"""Models handed over to other libraries, and taken from them; these are imported where they are used."""
