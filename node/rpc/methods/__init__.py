"""The methods, a module for each group; `TABLES` in `registry` lists them."""
