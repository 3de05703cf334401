"""What others measured, each fact once, with its source; nothing here is computed."""
