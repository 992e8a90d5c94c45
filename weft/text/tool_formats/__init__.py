"""How families of models write calls of tools into their answers: how to read them, and how to enforce them."""
