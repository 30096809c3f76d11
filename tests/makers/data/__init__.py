"""Labels, stores and runs that tests of several rooms make."""
