"""Plans for the plate: plate-slide, plate-slide-side, plate-slide-back, plate-slide-back-side."""
