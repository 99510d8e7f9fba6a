"""Tasks with containers: bin-picking, basketball, box-close."""
