"""The care of the notebooks: their committed outputs, the copies that learners work in, and their progress."""
