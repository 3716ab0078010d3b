//! The frame decoder against streams that nobody wrote by hand, and against an independent, slow decoder.

mod client;
mod feed;
mod fuzz;
mod properties;
mod reference;
mod seeds;
