"""The guests: sources, images, and the builder that makes one of the other (`guest/README.md`)."""
