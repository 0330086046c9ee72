"""One module a page, each with `page()`: a few calls into the library, shown."""
