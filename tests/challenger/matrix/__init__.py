"""The soundness and completeness matrix: docs/spec/matrix.md."""
