// Package chart draws horizontal bars as SVG, readable on light and on dark pages, without a script and without a font of its own.
package chart
