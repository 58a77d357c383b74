"""Normal-form and Bayesian games against followers that err: certified optima."""
