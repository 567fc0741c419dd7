"""Every number of a dataset as frozen records, with their forms: text, Markdown, LaTeX, CSV, JSON."""
