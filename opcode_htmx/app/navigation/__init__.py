"""The links between pages that are built from the declarations of the features."""
