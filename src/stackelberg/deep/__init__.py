"""Leaders that learn against query oracles (Gerstgrasser and Parkes, 2023)."""
