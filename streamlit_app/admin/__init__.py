"""Parts of the page Administration, one module each with `put()`: shown to those whose roles can use them."""
