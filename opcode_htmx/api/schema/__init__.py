"""Request and response models, and the OpenAPI document that is rendered from them."""
