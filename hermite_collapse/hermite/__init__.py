r"""Hermite polynomials: the package's only home of their conventions.

    h_k = He_k / sqrt(k!)           orthonormal for gamma = N(0, I); He_k the probabilists' polynomials
    h_{k+1}(x) = (x h_k(x) - sqrt(k) h_{k-1}(x)) / sqrt(k + 1),     h_0 = 1
    h_k(x) = prod_j h_{k_j}(x_j)    for a multi-index k = (k_1, ..., k_d) of degree abs(k) = sum_j k_j
    c_k(p) = E_p h_k(X)             the Hermite coefficients of a law p

Multi-indices run by degree, and within a degree in ascending lexicographic order.
"""
