"""Where people judge: pages that show what the library found and collect what people say. Nothing is computed here."""
