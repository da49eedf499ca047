"""Real interactions of KuaiRand (Gao et al., CIKM 2022) turned into our topics."""
