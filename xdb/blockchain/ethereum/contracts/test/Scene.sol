// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Net, vm} from "./Net.sol";

/// @title An owner with a namespace of one copy, and a node
abstract contract Scene is Net {
    address internal constant OWNER = address(0xa11ce);
    address internal constant NODE = address(0x0de);
    uint256 internal constant KEY = 77;
    bytes32 internal constant SPACE = "space";
    bytes internal constant DATA = "what a replica of one leaf has";

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(1e9);
        _deploy();
        _done(OWNER, abi.encodeCall(registry.createNamespace, (SPACE, "", _oneCopy(), 1)));
    }

    function _oneCopy() internal pure returns (Redundancy memory) {
        return Redundancy(1, 1, 1);
    }

    function _register(address signer) internal {
        Endpoint memory endpoint = Endpoint("n.example:1", 0, 0);
        _done(NODE, abi.encodeCall(registry.registerNode, (signer, endpoint, "", "", 1)));
    }

    // ------------------------------------------------------------------ outcomes

    function _call(address sender, bytes memory data) private returns (bool ok, bytes memory why) {
        vm.prank(sender);
        (ok, why) = address(registry).call(data);
    }

    function _done(address sender, bytes memory data) internal {
        (bool ok, bytes memory why) = _call(sender, data);
        if (!ok) assembly { revert(add(why, 32), mload(why)) }
    }

    function _refused(address sender, bytes memory data, bytes memory expected) internal {
        (bool ok, bytes memory why) = _call(sender, data);
        require(!ok, "not refused");
        require(keccak256(why) == keccak256(expected), "refused for another reason");
    }

    // ------------------------------------------------------------------ files

    /// @dev The root of a holding of one replica with one leaf.
    function _holdingRoot() internal pure returns (bytes32) {
        bytes32 leaf = sha256(abi.encodePacked(uint8(0), DATA));
        return sha256(abi.encodePacked(uint8(2), uint64(DATA.length), leaf));
    }

    /// @dev A file of one slot and one leaf that is named as its nonce; its receipt is not signed.
    function _unsigned(uint128 number) internal view returns (NewFile memory fresh) {
        fresh.nonce = bytes16(number);
        fresh.namespace = SPACE;
        fresh.name = bytes32(uint256(number));
        fresh.redundancy = _oneCopy();
        fresh.size = 5;
        fresh.expiry = uint64(block.timestamp + 100);
        fresh.holders = new Holder[](1);
        Holder memory h = fresh.holders[0];
        (h.node, h.root, h.leaves, h.replicaLeaves) = (NODE, _holdingRoot(), 1, 1);
        h.size = uint64(DATA.length);
        h.latestExpiry = fresh.expiry;
        h.validUntil = uint64(block.timestamp + 300);
    }

    function _idOf(NewFile memory fresh) internal view returns (bytes32) {
        return _fileId(OWNER, fresh.nonce);
    }

    function _digestOf(NewFile memory fresh) internal view returns (bytes32) {
        bytes32 root = _parent(fresh.manifest, fresh.holders[0].root);
        return _receipt(_idOf(fresh), 1, root, 1, fresh.holders[0]);
    }

    function _signedFile(uint128 number) internal view returns (NewFile memory fresh) {
        fresh = _unsigned(number);
        _sign(KEY, _digestOf(fresh), fresh.holders[0]);
    }

    function _publishing(NewFile memory fresh) internal view returns (bytes memory) {
        NewFile[] memory all = new NewFile[](1);
        all[0] = fresh;
        return abi.encodeCall(registry.publish, (all));
    }

    function _recordOf(NewFile memory fresh, uint256 segment)
        internal
        pure
        returns (Record memory record)
    {
        bytes32 root = _parent(fresh.manifest, fresh.holders[0].root);
        Place[] memory places = new Place[](1);
        places[0] = _placeOf(fresh.holders[0], segment);
        record = Record(fresh.namespace, fresh.name, root, fresh.redundancy, 1, places);
    }
}
