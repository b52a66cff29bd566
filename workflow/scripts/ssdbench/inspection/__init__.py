"""What a model file takes and gives: told from names, shapes and values, or stated; never believed unseen."""
