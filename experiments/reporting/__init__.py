"""What is shown of results: tables, figures, the paper's numbers beside them."""
