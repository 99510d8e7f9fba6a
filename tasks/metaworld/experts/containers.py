"""Plans for containers: bin-picking, basketball, box-close."""
