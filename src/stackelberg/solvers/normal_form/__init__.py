"""Normal-form games against best responses: linear programs, batched."""
