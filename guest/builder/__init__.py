"""What `guest/build` is made of: recipes, one module for each compiler, manifest, comparison (`guest/README.md`)."""
