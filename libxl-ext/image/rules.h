/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rules by name, as in docs/image.md, with what a host makes of an
 * image that breaks only this one.  Where that depends on more than the
 * rule it is LXE_FATE_RESTORED here and raised where it is known.
 */
#ifndef LXE_IMAGE_RULES_H
#define LXE_IMAGE_RULES_H

#define LXE_RULES(X)                                                    \
    X(S1, REFUSED)  X(S2, RESTORED)                                     \
    X(X1, REFUSED)  X(X2, REFUSED)  X(X3, REFUSED)  X(X4, REFUSED)      \
    X(X5, RESTORED) X(X6, RESTORED) X(X7, REFUSED)  X(X8, REFUSED)      \
    X(X9, REFUSED)                                                      \
    X(V1, REFUSED)  X(V2, RESTORED) X(V3, RESTORED) X(V4, REFUSED)      \
    X(V5, RESTORED)                                                     \
    X(L1, REFUSED)  X(L2, REFUSED)  X(L3, RESTORED) X(L4, REFUSED)      \
    X(L5, RESTORED) X(L6, RESTORED) X(L7, RESTORED) X(L8, REFUSED)      \
    X(L9, RESTORED) X(L10, REFUSED) X(L11, RESTORED) X(L12, REFUSED)     \
    X(L13, REFUSED) X(L14, REFUSED) X(L15, DAMAGED) X(L16, RESTORED)    \
    X(C1, REFUSED)  X(C2, REFUSED)  X(C3, REFUSED)  X(C4, RESTORED)     \
    X(C5, RESTORED) X(C6, REFUSED)  X(C7, REFUSED)  X(C8, RESTORED)     \
    X(C9, REFUSED)  X(C10, RESTORED) X(C11, REFUSED) X(C12, REFUSED)    \
    X(C13, DAMAGED)                                                     \
    X(B1, RESTORED) X(B2, REFUSED)  X(B3, RESTORED) X(B4, REFUSED)      \
    X(B5, RESTORED) X(B6, REFUSED)  X(B7, REFUSED)  X(B8, RESTORED)      \
    X(B9, REFUSED)  X(B10, RESTORED) X(B11, REFUSED) X(B12, REFUSED)    \
    X(B13, REFUSED) X(B14, REFUSED) X(B15, REFUSED) X(B16, RESTORED)    \
    X(B17, REFUSED) X(B18, REFUSED) X(B19, REFUSED) X(B20, RESTORED)    \
    X(B21, REFUSED)                                                     \
    X(O1, RESTORED) X(O2, RESTORED) X(O3, RESTORED) X(O4, RESTORED)     \
    X(O5, REFUSED)  X(O6, RESTORED) X(O7, DAMAGED)  X(O8, RESTORED)      \
    X(O9, RESTORED)                                                     \
    X(M1, RESTORED) X(M2, RESTORED) X(M3, RESTORED) X(M4, RESTORED)     \
    X(M5, RESTORED) X(M6, RESTORED)                                     \
    X(G1, RESTORED) X(G2, RESTORED) X(G3, REFUSED)  X(G4, DAMAGED)      \
    X(G5, DAMAGED)  X(G6, REFUSED)  X(G7, REFUSED)  X(G8, DAMAGED)      \
    X(G9, RESTORED) X(G10, DAMAGED) X(G11, RESTORED) X(G12, REFUSED)    \
    X(G13, DAMAGED)

enum lxe__rule {
#define X(name, fate) LXE_RULE_##name,
    LXE_RULES(X)
#undef X
    LXE_NR_RULES
};

#endif
