// Package overlay keeps the fields of stored JSON that a program's type does not have: an older program decodes an object that a newer one
// stored, changes it and encodes it again, and what it does not know is put back, byte for byte.
//
// A [Shape] is what encoding/json knows of a type. What is unknown is decided by the type alone, by the rules of encoding/json: a member of a
// JSON object that is decoded into a struct without a field for it. Members of maps, interfaces and raw messages are never unknown, for they
// are in the value. Types that encode or decode themselves (MarshalJSON, UnmarshalJSON and their text kin) are left alone, with all they hold.
//
// # What is put back where
//
//   - An unknown field belongs to its JSON object and goes where that goes: to the same field, or the same key of a map. An object that was
//     removed, or replaced by null, takes its unknown fields with it.
//   - An element of an array that encodes as it did is the same element, wherever it stands now. One that was changed is the one of
//     the same index where the array kept its length; where it did not, its unknown fields are lost.
//   - Where the new encoding has a member of that very name, the new one stands.
package overlay
