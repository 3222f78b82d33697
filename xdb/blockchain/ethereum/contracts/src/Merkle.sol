// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Merkle trees of fixed depth, as in `xdb/core/merkle.py`
/// @notice leaf = SHA256(00 || data), inner node = SHA256(01 || left || right); a missing subtree of
/// height k is Z_k, Z_0 = 0, Z_{k+1} = SHA256(01 || Z_k || Z_k).
library Merkle {
    /// @dev Levels of a tree of `count` leaves, which are one or more.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        for (uint256 rest = count - 1; rest != 0; rest >>= 1) {
            ++levels;
        }
    }

    function parent(bytes32 left, bytes32 right) internal view returns (bytes32 node) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore8(at, 1)
            mstore(add(at, 1), left)
            mstore(add(at, 33), right)
            if iszero(staticcall(gas(), 2, at, 65, 0, 32)) { revert(0, 0) }
            node := mload(0)
        }
    }

    /// @dev SHA256(00 || data), `data` being `length` bytes of calldata.
    function leafHash(uint256 data, uint256 length) internal view returns (bytes32 leaf) {
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore8(at, 0)
            calldatacopy(add(at, 1), data, length)
            if iszero(staticcall(gas(), 2, at, add(length, 1), 0, 32)) { revert(0, 0) }
            leaf := mload(0)
        }
    }

    /// @dev A replica's leaf in the holding tree.
    function replicaLeaf(uint256 length, bytes32 root) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(2), uint64(length), root));
    }

    /// @dev Where leaf `index` leads with the `levels` siblings that lie in calldata at `siblings`.
    function climb(bytes32 leaf, uint256 index, uint256 siblings, uint256 levels)
        internal
        view
        returns (bytes32 node)
    {
        assembly ("memory-safe") {
            let at := mload(0x40)
            node := leaf
            mstore8(at, 1)
            for { let end := add(siblings, mul(levels, 32)) } lt(siblings, end) {
                siblings := add(siblings, 32)
                index := shr(1, index)
            } {
                // The node goes right of its sibling when its index is odd.
                let right := mul(and(index, 1), 32)
                mstore(add(at, add(right, 1)), node)
                mstore(add(at, sub(33, right)), calldataload(siblings))
                if iszero(staticcall(gas(), 2, at, 65, 0, 32)) { revert(0, 0) }
                node := mload(0)
            }
        }
    }

    /// @dev Z_height.
    function missingAt(uint256 height) internal view returns (bytes32 missing) {
        for (uint256 i = 0; i < height; ++i) {
            missing = parent(missing, missing);
        }
    }

    /// @dev The root over `level`, which is overwritten.
    function rootOf(bytes32[] memory level) internal view returns (bytes32) {
        uint256 count = level.length;
        for (uint256 height = 0; count > 1; ++height) {
            bytes32 missing = count & 1 == 0 ? bytes32(0) : missingAt(height);
            assembly ("memory-safe") {
                let from := add(level, 32)
                let to := from
                let at := mload(0x40)
                mstore8(at, 1)
                for { let end := add(from, mul(count, 32)) } lt(from, end) { from := add(from, 64) } {
                    let beside := add(from, 32)
                    mstore(add(at, 1), mload(from))
                    switch lt(beside, end)
                    case 1 { mstore(add(at, 33), mload(beside)) }
                    default { mstore(add(at, 33), missing) }
                    if iszero(staticcall(gas(), 2, at, 65, to, 32)) { revert(0, 0) }
                    to := add(to, 32)
                }
                count := shr(1, add(count, 1))
            }
        }
        return level[0];
    }

    /// @dev The roots of a tree of `count` leaves and of the same with `leaf` behind them.
    /// `siblings` are the full subtrees left of that leaf, lowest first; `fits` is false when they
    /// are not as many as there must be.
    function withoutAndWith(uint256 count, bytes32 leaf, bytes32[] calldata siblings)
        internal
        view
        returns (bool fits, bytes32 before, bytes32 afterwards)
    {
        uint256 used = 0;
        bytes32 missing = 0;
        afterwards = leaf;
        uint256 levels = depth(count + 1);
        for (uint256 height = 0; height < levels; ++height) {
            if ((count >> height) & 1 == 1) {
                if (used == siblings.length) return (false, 0, 0);
                bytes32 beside = siblings[used++];
                // A full tree is its own left subtree and grows by one level.
                before = count == 1 << height ? beside : parent(beside, before);
                afterwards = parent(beside, afterwards);
            } else {
                before = parent(before, missing);
                afterwards = parent(afterwards, missing);
            }
            missing = parent(missing, missing);
        }
        fits = used == siblings.length;
    }
}
