"""What a commitment is worth: values, regrets, stress and landscapes."""
