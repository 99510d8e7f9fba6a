"""Tasks with the coffee machine: coffee-button, coffee-pull, coffee-push."""
