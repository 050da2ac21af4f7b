"""REST: endpoints declared once, their requests checked, their answers in one envelope."""
