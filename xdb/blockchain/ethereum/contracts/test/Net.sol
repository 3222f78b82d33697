// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry, IRegistryTypes} from "../src/IRegistry.sol";

/// @title What forge's machine offers beyond the EVM, as far as these tests use it
interface Cheats {
    function addr(uint256 key) external pure returns (address);
    function assume(bool condition) external pure;
    function getCode(string calldata artifact) external view returns (bytes memory);
    function prank(address sender) external;
    function roll(uint256 number) external;
    function setBlockhash(uint256 number, bytes32 hash) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
}

Cheats constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @title A deployed registry, and what its users sign and hash
/// @notice Trees and digests are written anew here, plainly, and not those of the contract.
abstract contract Net is IRegistryTypes {
    IRegistry internal registry;

    uint256 internal constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _parameters() internal pure returns (Parameters memory p) {
        p.epoch = 40;
        p.freeze = 4;
        p.leavesPerEpoch = 5;
        p.leafSize = 256;
        p.healthWindow = 7;
        p.retention = 1200;
        p.receiptValidity = 300;
        p.strayGrace = 900;
        p.unreachable = 600;
        p.notice = 1200;
        p.maxSlots = 4;
        p.maxFilesPerCall = 3;
        p.maxLabel = 64;
        p.maxText = 64;
        p.maxLifetime = 1e8;
    }

    /// @dev The new registry's address, or 0 and the refusal.
    function _create(Parameters memory p) internal returns (address made, bytes memory answer) {
        bytes memory code =
            abi.encodePacked(vm.getCode("Registry.sol:Registry"), abi.encode(p));
        assembly {
            made := create(0, add(code, 32), mload(code))
            answer := mload(0x40)
            mstore(answer, returndatasize())
            returndatacopy(add(answer, 32), 0, returndatasize())
            mstore(0x40, add(answer, add(returndatasize(), 64)))
        }
    }

    function _deploy() internal {
        (address made,) = _create(_parameters());
        require(made != address(0), "not deployed");
        registry = IRegistry(made);
    }

    function _send(address sender, bytes memory data) internal returns (bool ok, bytes4 why) {
        vm.prank(sender);
        bytes memory answer;
        (ok, answer) = address(registry).call(data);
        why = bytes4(answer);
    }

    // ------------------------------------------------------------------ signatures

    function _fileId(address owner, bytes16 nonce) internal view returns (bytes32) {
        bytes memory head = abi.encodePacked(uint32(11), "xdb/v1/file", block.chainid);
        return sha256(abi.encodePacked(head, address(registry), owner, nonce));
    }

    /// @dev What a holder signs for a slot of a file.
    function _receipt(
        bytes32 file,
        uint64 slot,
        bytes32 root,
        uint64 version,
        Holder memory h
    ) internal view returns (bytes32) {
        bytes memory head = abi.encodePacked(uint32(14), "xdb/v1/receipt", block.chainid);
        bytes memory what = abi.encodePacked(head, address(registry), file, slot, root, h.root);
        bytes memory sizes = abi.encodePacked(h.leaves, h.replicaLeaves, h.size);
        return sha256(abi.encodePacked(what, sizes, h.latestExpiry, version, h.validUntil));
    }

    /// @dev Signs in the form of EIP-2098.
    function _sign(uint256 key, bytes32 digest, Holder memory h) internal pure {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        h.r = r;
        h.vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
    }

    // ------------------------------------------------------------------ trees

    function _parent(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), left, right));
    }

    /// @dev The root over leaves [from, from + 2^height), absent ones being 0.
    function _subtree(bytes32[] memory leaves, uint256 from, uint256 height)
        internal
        pure
        returns (bytes32)
    {
        if (height == 0) return from < leaves.length ? leaves[from] : bytes32(0);
        return _parent(
            _subtree(leaves, from, height - 1),
            _subtree(leaves, from + (1 << (height - 1)), height - 1)
        );
    }

    function _rootOf(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 height = 0;
        while (1 << height < leaves.length) ++height;
        return _subtree(leaves, 0, height);
    }

    /// @dev The full subtrees left of leaf `count`, lowest first.
    function _siblings(bytes32[] memory leaves, uint256 count)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        siblings = new bytes32[](8);
        uint256 used = 0;
        for (uint256 height = 0; height < 8; ++height) {
            if ((count >> height) & 1 == 0) continue;
            siblings[used++] = _subtree(leaves, (count >> (height + 1)) << (height + 1), height);
        }
        assembly { mstore(siblings, used) }
    }

    /// @dev Leaves of a file's tree: the manifest and the roots of its slots.
    function _leavesOf(bytes32 manifest, Place[] memory places)
        internal
        pure
        returns (bytes32[] memory leaves)
    {
        leaves = new bytes32[](places.length + 1);
        leaves[0] = manifest;
        for (uint256 i = 0; i < places.length; ++i) {
            leaves[i + 1] = places[i].root;
        }
    }

    function _placeOf(Holder memory h, uint256 segment) internal pure returns (Place memory) {
        return Place(h.node, h.root, h.leaves, h.replicaLeaves, h.size, h.latestExpiry, segment);
    }
}
