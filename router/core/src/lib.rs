//! The rules of the edge router: pure, without I/O, clock or chance.
